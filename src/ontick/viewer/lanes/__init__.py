"""What happens in a lane's own process: one controller flies, is steered, is told of and recorded."""
