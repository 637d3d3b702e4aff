"""An order workflow: a saga with compensation, and timers that outlive the process."""
