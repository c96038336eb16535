"""Training of a network; the network and its loss are passed as arguments."""
