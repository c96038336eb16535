"""How a network learns; gets the network and its loss by argument."""
