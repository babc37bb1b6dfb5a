"""What ``evenvoice COMMAND`` does, a module for each command."""
