"""ragfood: chat with a food knowledge base in the terminal and see the sources behind each answer."""
