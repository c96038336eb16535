"""How Sphinx builds the documentation: sphinx-build -W docs docs/_build/html."""

import re
from pathlib import Path

from sphinx_gallery.sorting import ExplicitOrder

import sknormnet

project = "sknormnet"
author = copyright = "The sknormnet developers"
version = release = sknormnet.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build"]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3

autodoc_typehints = "none"
numpydoc_show_class_members = False  # the class template lists them

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
    "download_all_examples": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sknormnet"
html_theme_options = {"navigation_with_keys": False, "show_prev_next": False}


def without_foreign_references(app, what, name, obj, options, lines):
    """Make plain text of what docstrings inherited from scikit-learn refer to in its pages."""
    reference = re.compile(r":(?:ref|term):`([^`<]*?)(?: <[^`]*>)?`")
    lines[:] = [reference.sub(r"*\1*", line) for line in lines]


def setup(app):
    """Connect the above."""
    app.connect("autodoc-process-docstring", without_foreign_references)
