"""What fills the terminal: the chat and its dialogs."""
