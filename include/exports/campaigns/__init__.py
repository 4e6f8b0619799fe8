"""What campaigns did and whom they reached, computed from message events."""
