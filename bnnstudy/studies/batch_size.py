"""Does a larger batch help SGD? Paper A, section 3.1 (Figure 2a) and Appendix A."""

from bnnstudy.claims import Claim, Contrast
from bnnstudy.study import Study

CLAIMS = (
    Claim(
        id="batch-size-early",
        paper="A",
        source="section 3.1, Figure 2a",
        text="With plain SGD a larger batch lowers the training error at first.",
        paper_value=("first epoch: about 300 (batch 50) and 80 (batch 200), CNN, read off the plot"),
        contrast=Contrast(
            kind="difference",
            metric="log_loss_sum_first",
            arm="batch 200",
            control="batch 50",
            direction=-1,
            margin=0.1,
            unit="decades of the loss summed over the first epoch",
            scale=1.0,
        ),
    ),
    Claim(
        id="batch-size-final",
        paper="A",
        source="section 3.1",
        text="No batch size brings plain SGD to the best accuracy.",
        paper_value="test error 17.98 (SGD) and 10.30 (Adam), CIFAR-10",
        contrast=Contrast(
            kind="difference",
            metric="test_accuracy",
            arm="adam",
            control="sgd, batch 200",
            margin=0.5,
        ),
    ),
    Claim(
        id="batch-size-float",
        paper="A",
        source="Appendix A",
        text="For real weights the batch size matters far less than for binary ones.",
        paper_value=("end of the float curves: about .07, .02, .005, .002 (CNN), read off the plot"),
        contrast=Contrast(
            kind="difference",
            metric="log_loss",
            arm=("sgd, batch 50", "sgd, batch 200"),
            control=("float sgd, batch 50", "float sgd, batch 200"),
            margin=0.1,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
    Claim(
        id="batch-size-mean-loss",
        paper="ours",
        source="audit of Figure 2a",
        text=(
            "The plotted error is a sum over batches; as a mean over images the batch sizes end alike."
        ),
        contrast=Contrast(
            kind="equivalence",
            metric="log_loss",
            arm="sgd, batch 200",
            control="sgd, batch 50",
            margin=0.3,
            unit="decades of training loss",
            scale=1.0,
        ),
    ),
)

STUDY = Study(name="batch_size", title="Batch size under SGD", claims=CLAIMS)
