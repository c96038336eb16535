"""How fast sknormnet is and what memory it takes, side by side with its peers."""
