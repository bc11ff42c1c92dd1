"""Words of the domain. Nothing here does input or output, and nothing here imports another package of the project."""
