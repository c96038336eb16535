"""Sphinx extension: names in running text link to their pages, and source code back to them.

Pages and docstrings write ``StandardScaler``, as is read well anywhere. Here it becomes a link to
this site's page, or to that of scikit-learn, if `inventories` has the name.
"""

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.ext.intersphinx import InventoryAdapter
from sphinx.transforms.post_transforms import SphinxPostTransform


class LinkedNames(SphinxPostTransform):
    """Wrap each inline literal that is a known name in a reference."""

    default_priority = 5  # before references are resolved

    def run(self, **kwargs) -> None:
        targets, docname = self._targets(), self.env.current_document.docname
        for literal in [*self.document.findall(nodes.literal)]:
            name = literal.astext().removesuffix("()")
            parts_of_links = nodes.reference, nodes.title, addnodes.pending_xref
            is_here = docname.endswith(f".{name}")
            if name not in targets or is_here or isinstance(literal.parent, parts_of_links):
                continue
            reference = addnodes.pending_xref(refdomain="py", reftype="obj", refexplicit=True)
            reference.update_all_atts(
                {"reftarget": targets[name], "refwarn": False, "refdoc": docname}
            )
            literal.replace_self(reference)
            reference += literal

    def _targets(self) -> dict[str, str]:
        """Return full names by last name, of names that are no everyday words."""
        others = InventoryAdapter(self.env).main_inventory
        names = {*others.get("py:class", ()), *others.get("py:function", ())}
        ours = self.env.domains.python_domain.objects.items()
        names |= {name for name, entry in ours if entry.objtype in ("class", "function")}
        by_last = {name.rpartition(".")[2]: name for name in names}
        return {last: name for last, name in by_last.items() if last.lower() != last or "_" in last}


def add_source_anchors(app: Sphinx, doctree: nodes.document) -> None:
    """Give classes the anchors that viewcode links to from the pages of source code.

    It takes all classes of a file for members of one module, here `sknormnet`, which has some.
    """
    for signature in doctree.findall(addnodes.desc_signature):
        anchor = f"sknormnet.{signature.get('fullname')}"
        if signature["ids"] and anchor not in signature["ids"]:
            signature["ids"].append(anchor)


def setup(app: Sphinx) -> dict[str, bool]:
    """Connect the above."""
    app.add_post_transform(LinkedNames)
    app.connect("doctree-read", add_source_anchors)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
