"""The network, in NumPy and SciPy; knows nothing of scikit-learn, optimisers or data sets."""
