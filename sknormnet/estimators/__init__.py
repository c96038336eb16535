"""The scikit-learn face: the only folder that validates, reads tags and seeds."""
