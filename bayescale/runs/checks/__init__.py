"""What is odd about runs: typing errors, rounding, designs, shared errors."""
