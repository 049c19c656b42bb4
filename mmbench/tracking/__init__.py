"""Trackers of experiments, such as TensorBoard: losses, scores and samples of a run."""

TRACKERS = {
    "tensorboard": "mmbench.tracking.tensorboard:TensorBoard",
    "wandb": "mmbench.tracking.wandb:WandB",
    "mlflow": "mmbench.tracking.mlflow:MLflow",
}
"""Tracker -> its class; each is the name of an extra, too."""
