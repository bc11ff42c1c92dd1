"""One run of one playbook on one server. Only this package knows ansible-runner."""
