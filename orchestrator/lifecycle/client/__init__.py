"""What a customer changes on an active service: one file a noun, one function for present and one for absent."""
