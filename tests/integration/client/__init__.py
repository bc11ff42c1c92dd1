"""What customers change on their services."""
