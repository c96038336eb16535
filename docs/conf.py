"""How Sphinx builds the documentation: sphinx-build -W docs docs/_build/html.

The build and the pages need no network: formulas are drawn by a copy of MathJax that a package
of PyPI carries, and links to other projects come from the short lists in ``inventories``.
"""

import re
import sys
from importlib.util import find_spec
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import sknormnet

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "sknormnet"
author = copyright = "The sknormnet developers"
version = release = sknormnet.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "linked_names",
    "parameters",
    "readable_examples",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False  # the class template lists them

# A text file with a line for each name that the pages mention: a build never fetches anything.
intersphinx_mapping = {
    "sklearn": ("https://scikit-learn.org/stable", "inventories/sklearn.txt"),
}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
copybutton_exclude = ".linenos, .gp, .go"

# The examples in the order of the gallery's table of contents, which is that of a lecture.
examples = Path(__file__).resolve().parent.parent / "examples"
course = re.findall(r"examples/(\w+\.py)", (examples / "index.rst").read_text())

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "copyfile_regex": r"index\.rst",  # the gallery's page is written by hand
    "minigallery_sort_order": ExplicitOrder([str(examples / name) for name in course]),
    "remove_config_comments": True,
    "default_thumb_file": str(Path(__file__).parent / "images" / "text_output.png"),
    "gallery_dirs": "gallery",
    "backreferences_dir": "generated/examples",  # which the class template shows
    "doc_module": "sknormnet",
    "within_subsection_order": "FileNameSortKey",
    "filename_pattern": r"\.py$",  # those that draw nothing are run as well
    "abort_on_example_error": True,
    "parallel": 2,
    "download_all_examples": False,
    "write_computation_times": False,
}

# One file of MathJax draws the formulas as SVG and needs no fonts. It is copied from the package
# django-static-mathjax, which holds MathJax 3 and nothing of Django.
(mathjax,) = find_spec("mathjax").submodule_search_locations
html_static_path = ["_static", str(Path(mathjax) / "static" / "mathjax" / "es5" / "tex-svg.js")]
mathjax_path = "tex-svg.js"

html_theme = "pydata_sphinx_theme"
html_title = f"sknormnet {release}"
LOGO = html_favicon = "_static/logo.svg"
html_css_files = ["site.css"]
html_context = {"default_mode": "auto"}
html_sidebars = {
    page: [] for page in ("index", "install", "faq", "features", "citing", "whats_new", "gallery/*")
}
html_theme_options = {
    "logo": {"image_light": LOGO, "image_dark": LOGO, "text": html_title},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "header_links_before_dropdown": 6,
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "footer_start": ["copyright"],
    "footer_end": [],
}
