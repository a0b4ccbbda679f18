"""What does training leave behind? A pilot: weights, how they are asked, their origin, and how well they fly."""
