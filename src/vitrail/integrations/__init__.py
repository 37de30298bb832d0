"""vitrail's models as other libraries expect theirs: timm, Hugging Face, torch.hub, segmentation_models.pytorch."""
