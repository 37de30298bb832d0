"""Entry points for torch.hub, one a name of the catalogue: `torch.hub.load(FOLDER, "iwin_tiny", source="local")`."""

import importlib.util as _importlib_util
import sys as _sys
from pathlib import Path as _Path

dependencies = ["torch", "torchvision", "numpy", "safetensors", "pydantic"]

if _importlib_util.find_spec("vitrail") is None:  # a checkout that nobody has installed
    _sys.path.insert(0, str(_Path(__file__).resolve().parent / "src"))

from vitrail.integrations.hub import entry as _entry  # noqa: E402
from vitrail.models.catalogue import list_models as _list_models  # noqa: E402

for _name in _list_models():
    globals()[_name] = _entry(_name)
