"""Cases with arbitrary tools."""
def tool_cases(rng, split):
    return []
