"""Names of what we deploy on Ray Serve."""

FRONT_APPLICATION = "front"
FRONT_DEPLOYMENT = "Front"
MODEL_DEPLOYMENT = "Model"


def model_application(model: str) -> str:
    """Names the application of a model."""
    return f"model-{model}"
