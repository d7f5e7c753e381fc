"""What may stand in the place of a trunk's MLPs: called with the width and the hidden width."""

from timm.layers.mlp import GluMlp, SwiGLU

from ssl_pipeline.config.registry import register

for _name, _mlp in {"glu_mlp": GluMlp, "swiglu": SwiGLU}.items():
    register("layer", _name)(_mlp)
