"""The network, in NumPy and SciPy; independent of scikit-learn, optimizers and data sets."""
