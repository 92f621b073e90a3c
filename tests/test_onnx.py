"""A network of ±1 weights leaves Python: through ONNX, and through torch's own exported programs."""

import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from test_export import inputs, network
from torch import nn

from bnnstudy.nn import binarize, to_signs

EDGES = torch.tensor([0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, torch.inf, -torch.inf])


class Applied(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


def in_onnxruntime(model, x, folder):
    """What onnxruntime makes of a network and inputs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its exporter
        program = torch.onnx.export(model, (x,), verbose=False)
    program.save(folder / "network.onnx")
    session = onnxruntime.InferenceSession(folder / "network.onnx")
    return session.run(None, {session.get_inputs()[0].name: x.numpy()})[0]


@pytest.mark.parametrize("function", [binarize.sign, *binarize.SURROGATES.values()])
def test_every_sign_is_the_same_there_at_both_zeros_too(function, tmp_path):
    found = in_onnxruntime(Applied(function).eval(), EDGES, tmp_path)
    np.testing.assert_array_equal(found, function(EDGES))


@pytest.mark.parametrize(
    ("model", "scaling"),
    [("mlp", "libra"), ("cnn", "mean"), ("birealnet20", "mean"), ("audio_net", None)],
)
def test_a_network_gives_the_same_classes_there(model, scaling, tmp_path):
    signs = to_signs(network(model, scaling=scaling, activation="sign")).float()
    x = inputs(model).float()
    found = in_onnxruntime(signs, x, tmp_path)
    np.testing.assert_array_equal(found.argmax(1), signs(x).argmax(1))


@pytest.mark.filterwarnings("ignore")
def test_torchs_older_exporter_writes_the_same_network(tmp_path):
    model, x = to_signs(network("cnn", scaling="mean", activation="sign")).eval(), inputs("cnn")
    file = str(tmp_path / "old.onnx")
    torch.onnx.export(model.float(), (x.float(),), file, dynamo=False)
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    assert {"Where", "Conv"} <= {node.op_type for node in onnx.load(file).graph.node}
    (found,) = session.run(None, {session.get_inputs()[0].name: x.float().numpy()})
    with torch.no_grad():
        expected = model(x.float()).numpy()
    assert (found.argmax(1) == expected.argmax(1)).all()


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, as it saves
def test_an_exported_program_is_saved_and_loaded(tmp_path):
    signs, x = to_signs(network("cnn", scaling="mean", activation="sign")), inputs("cnn")
    torch.export.save(torch.export.export(signs, (x,)), tmp_path / "network.pt2")
    loaded = torch.export.load(tmp_path / "network.pt2").module()
    assert torch.equal(loaded(x), signs(x))
