"""What a run log may hold: every column with its names, its unit and the values that it may take."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["label", "note", "quantity", "response"]


@dataclass(frozen=True)
class Column:
    """One column that a run log may have.

    Attributes
    ----------
    name : str
        Its canonical name.
    role : {"label", "note", "quantity", "response"}
        A quantity is what a law may take, a response what it may predict; a label is text.
    meaning, unit : str
        For people, and for the attributes of the Dataset.
    aliases : str
        The other names by which it is found; case, underscores and hyphens do not count.
    accepted : str
        The values that it may take, in words.
    accepts : callable
        The same, of a finite number; a label may be any text.
    symbol : str
        How messages write it beside its name.
    """

    name: str
    role: Role
    meaning: str
    unit: str = "1"
    aliases: str = ""
    accepted: str = "a number above 0"
    accepts: Callable[[float], bool] = lambda value: value > 0
    symbol: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Its aliases, one by one."""
        return tuple(self.aliases.split())

    @property
    def words(self) -> str:
        """Its name with its symbol, such as ``params (N)``."""
        return f"{self.name} ({self.symbol})" if self.symbol else self.name


NOT_NEGATIVE: dict[str, Any] = {"accepted": "a number, 0 or more", "accepts": lambda value: value >= 0}
ONE_OR_MORE: dict[str, Any] = {"accepted": "a number, 1 or more", "accepts": lambda value: value >= 1}
SHARE: dict[str, Any] = {
    "accepted": "a share from 0 to 1; divide percentages by 100",
    "accepts": lambda value: 0 <= value <= 1,
}

# The order is that in which content_hash writes the values: a new column goes to the end.
_COLUMNS = (
    Column("run", "label", "name of the run", aliases="name id run_id run_name", accepted="a name"),
    Column(*("family", "label", "group of runs"), aliases="corpus group dataset architecture", accepted="a name"),
    Column(
        *("params", "quantity", "parameters N"),
        aliases=(
            "N n_params num_params parameters n_parameters num_parameters model_size params_total total_params "
            "params_non_embedding non_embedding_params"
        ),
        accepted="a number above 0, such as 70M, 1.3B or 7e9",
        symbol="N",
    ),
    Column(
        *("tokens", "quantity", "training tokens D", "token"),
        aliases="D n_tokens num_tokens train_tokens training_tokens",
        accepted="a number above 0, such as 300M, 1.4T or 1e12",
        symbol="D",
    ),
    Column(
        *("compute", "quantity", "training compute C", "FLOP"),
        aliases="C flop flops train_flop train_flops training_flop training_flops compute_flop compute_flops budget",
        accepted="a number of FLOP above 0, such as 6e18 or 5.76e23",
        symbol="C",
    ),
    Column(
        *("loss", "response", "loss", ""),
        aliases=(
            "L val_loss valid_loss validation_loss eval_loss test_loss final_loss loss_nats loss_bits bpb bits_per_byte"
        ),
        accepted="a number above 0, such as 2.71",
    ),
    Column(
        *("loss_se", "note", "standard error of the loss", ""),
        aliases="loss_sd loss_stderr loss_std_err stderr se",
        **NOT_NEGATIVE,
    ),
    Column(
        *("seed", "note", "random seed"),
        aliases="random_seed",
        accepted="a whole number, or nothing",
        accepts=float.is_integer,
    ),
    Column(
        *("step", "quantity", "training steps S"),
        aliases=(
            "global_step training_step steps n_steps num_steps train_steps training_steps optimizer_steps "
            "optimiser_steps"
        ),
    ),
    # "batch_size" is no alias: it counts sequences as often as tokens.
    Column(
        *("batch", "quantity", "batch size, in tokens a step", "token"),
        aliases="batch_tokens tokens_per_step tokens_per_batch batch_size_tokens",
        accepted="a number of tokens above 0, such as 500k",
    ),
    Column(
        *("unique_tokens", "quantity", "unique training tokens", "token"),
        aliases="U U_D tokens_per_epoch n_unique_tokens num_unique_tokens",
        accepted="a number above 0, such as 300M, 1.4T or 1e12",
    ),
    Column(
        *("words", "quantity", "words of training data", "word"),
        aliases="n_words num_words word_count train_words training_words pretraining_words",
    ),
    Column(
        *("examples", "quantity", "training or labelled examples", "example"),
        aliases=(
            "n_examples num_examples train_examples training_examples seen_examples labelled_examples labeled_examples"
        ),
    ),
    Column(*("width", "quantity", "width of the model"), aliases="d_model hidden_size n_embd model_width"),
    Column(
        *("depth", "quantity", "layers of the model", "layer"),
        aliases="layers n_layers num_layers n_layer num_hidden_layers model_depth",
    ),
    Column(
        *("lr_area", "quantity", "sum of the learning rate over the steps"),
        aliases="S1 lr_sum sum_of_lr learning_rate_area",
    ),
    Column(
        *("annealing", "quantity", "learning-rate annealing area"),
        aliases="S2 annealing_area lr_annealing lr_annealing_area",
        accepted="a number (below 0 in warm-up)",
        accepts=lambda value: True,
    ),
    Column(*("experts", "quantity", "number of experts"), aliases="n_experts num_experts expert_count", **ONE_OR_MORE),
    Column(
        *("granularity", "quantity", "granularity of the experts"),
        aliases="expert_granularity moe_granularity",
        **ONE_OR_MORE,
    ),
    Column(
        *("sparsity", "quantity", "share of the weights that are zero"),
        aliases="weight_sparsity",
        accepted="a share from 0 to below 1; divide percentages by 100",
        accepts=lambda value: 0 <= value < 1,
    ),
    Column(*("bits_weights", "quantity", "bits a weight in training", "bit"), aliases="weight_bits bits_w w_bits P_w"),
    Column(
        *("bits_activations", "quantity", "bits an activation in training", "bit"),
        aliases="activation_bits act_bits bits_a a_bits P_a",
    ),
    Column(
        *("bits_kv", "quantity", "bits of the key-value cache in training", "bit"), aliases="kv_bits kv_cache_bits P_kv"
    ),
    Column(
        *("bits_post", "quantity", "bits a weight after training", "bit"),
        aliases="post_bits ptq_bits bits_ptq post_training_bits P_post",
    ),
    Column(*("accuracy", "response", "accuracy"), aliases="acc score test_accuracy test_acc", **SHARE),
    Column(*("error", "response", "error rate"), aliases="err error_rate test_error", **SHARE),
    Column(
        *("questions", "note", "questions that the accuracy or error was measured on", "question"),
        aliases="n_questions num_questions test_questions",
        accepted="a whole number, 1 or more",
        accepts=lambda value: value >= 1 and value.is_integer(),
    ),
)

COLUMNS: dict[str, Column] = {column.name: column for column in _COLUMNS}

CHECKPOINT, LEFT_OUT = "checkpoint", "left_out"
"""The dimensions of learning curves: what is kept and what is not. A run log has the dimension ``run``."""

SIZES = ("params", "tokens", "compute")
"""The three that a cost model ties together: two of them give the third."""


def columns_with_role(role: Role) -> tuple[str, ...]:
    """Return the columns of that role."""
    return tuple(column.name for column in _COLUMNS if column.role == role)


LABELS, NOTES, QUANTITIES, RESPONSES = (columns_with_role(role) for role in ("label", "note", "quantity", "response"))
