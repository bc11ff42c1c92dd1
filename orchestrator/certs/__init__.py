"""Certificates: looking at names and at what servers show, the conversation with the CA, and what follows from both."""
