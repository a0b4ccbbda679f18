"""How good is a controller? Many episodes, their statistics, the latency curve, the verdict."""
