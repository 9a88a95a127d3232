"""What tests of several rooms share: a real shop to try, and services in process."""
