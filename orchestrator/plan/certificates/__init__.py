"""When a certificate is looked at, ordered, renewed, left alone; what a CA's answer means; what an upload must be."""
