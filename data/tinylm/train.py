#!/usr/bin/env python3
"""Train the tinylm grid: the run log that bayescale ships.

Byte-level decoder-only transformers on two corpora, an N x D grid with seed replicates, one epoch each. Rows are
appended to runs.csv (one a finished run), curves.csv (checkpoints) and lr_sweep.csv as they finish; a run that is
already there is skipped, so the script can be stopped and started again at any time.

    python3.11 -m venv .train && .train/bin/pip install torch==2.13.0 numpy
    apt-get install dict-gcide
    .train/bin/python data/tinylm/train.py --workers 2

Nothing that bayescale's users install needs this script or PyTorch.
"""

import argparse
import csv
import gzip
import math
import multiprocessing as mp
import os
import platform
import re
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".train"  # outside data/, which is packed into the wheel
GCIDE = Path("/usr/share/dictd/gcide.dict.dz")  # Debian package dict-gcide

CONTEXT = 64  # bytes
SCORED = 48  # loss is scored on the last 48 of 64 positions, so that every scored byte has 16 to 63 bytes of context
BATCH = 32  # sequences a step: 2048 tokens
FINAL_SEQUENCES, CHECK_SEQUENCES = 5461, 512
CHECKPOINTS = (1 / 32, 1 / 16, 1 / 8, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)

SIZES = {"xs": (16, 1), "s": (28, 1), "m": (32, 2), "l": (48, 2), "xl": (64, 3), "xxl": (88, 4)}  # d_model, layers
TOKENS = (300_000, 850_000, 2_400_000, 7_000_000, 20_000_000)
REPLICATES = (("xs", 0), ("xs", 2), ("s", 1), ("m", 0), ("m", 1), ("l", 0), ("l", 1), ("xl", 0))  # seeds 2 and 3 too
SWEEP_TOKENS, SWEEP_FACTORS, SWEEP_SEED = 600_000, (0.5, 1.0, 2.0), 100
CORPORA = ("source", "english")

WORDS, WORD_LETTERS, CORPUS_SEED = 40_000, (2, 7), 20261122

RUN_FIELDS = (
    "run,corpus,size,d_model,layers,params,params_total,tokens,seed,lr,steps,loss,loss_se,train_seconds,device".split(
        ","
    )
)
CURVE_FIELDS = "run,corpus,params,tokens,step,lr_fraction,loss,loss_se".split(",")
SWEEP_FIELDS = "corpus,size,params,tokens,seed,lr,loss,loss_se,chosen".split(",")


# ---------------------------------------------------------------------------------------------------------- corpora


def zipf_language():
    """The words and their probabilities; the entropy per byte of the text they make is exact."""
    rng = np.random.default_rng(CORPUS_SEED)
    seen, words = set(), []
    while len(words) < WORDS:
        length = rng.integers(WORD_LETTERS[0], WORD_LETTERS[1] + 1)
        word = bytes(rng.integers(97, 123, length).astype(np.uint8))
        if word not in seen:
            seen.add(word)
            words.append(word)
    p = 1.0 / np.arange(1, WORDS + 1)
    p /= p.sum()
    return words, p


def entropy_rate():
    """Nats per byte of `source`: H(words) / (mean length + 1), since words are independent and a space ends each."""
    words, p = zipf_language()
    return float(-(p * np.log(p)).sum() / (p @ np.array([len(w) + 1 for w in words])))


def source_bytes(n, stream):
    words, p = zipf_language()
    rng = np.random.default_rng([CORPUS_SEED, stream])
    picks = rng.choice(WORDS, size=n // 3, p=p)
    return np.frombuffer(b" ".join(words[i] for i in picks)[:n], dtype=np.uint8)


def english_bytes():
    """The dictionary's text, runs of blanks collapsed, cut to printable ASCII and newline."""
    text = gzip.decompress(GCIDE.read_bytes())
    text = re.sub(rb"[ \t]+", b" ", text)
    text = re.sub(rb"\s*\n\s*", b"\n", text)
    return np.frombuffer(bytes(b for b in text if b == 10 or 32 <= b < 127), dtype=np.uint8)


def load_corpus(name):
    """Training windows, validation windows (each CONTEXT + 1 bytes) as small integers, and the alphabet's size."""
    cache = CACHE / f"{name}.npz"
    if not cache.exists():
        window = CONTEXT + 1
        if name == "source":
            # Windows start at a random place in a word; the first scored byte is 16 bytes in, past a whole word.
            train = source_bytes(TOKENS[-1] // CONTEXT * window + window, 1)
            train = train[: len(train) // window * window].reshape(-1, window)
            valid = source_bytes(FINAL_SEQUENCES * window * 2, 2)
            valid = valid[: len(valid) // window * window].reshape(-1, window)[:FINAL_SEQUENCES]
        else:
            # The text is alphabetical, so held-out and training text are interleaved blocks of one window run.
            windows = english_bytes()
            windows = windows[: len(windows) // window * window].reshape(-1, window)
            block = np.arange(len(windows)) // 64
            held = np.random.default_rng(CORPUS_SEED).random(block.max() + 1) < 0.03
            train, valid = windows[~held[block]], windows[held[block]]
            valid = np.random.default_rng(CORPUS_SEED).permutation(valid)[:FINAL_SEQUENCES]
        alphabet = np.unique(train)
        code = np.zeros(256, dtype=np.uint8)
        code[alphabet] = np.arange(len(alphabet))
        CACHE.mkdir(exist_ok=True)
        tmp = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(tmp, train=code[train], valid=code[valid], vocab=len(alphabet))
        tmp.rename(cache)
    with np.load(cache) as z:
        return z["train"], z["valid"], int(z["vocab"])


# ------------------------------------------------------------------------------------------------------------ model


class Block(nn.Module):
    def __init__(self, d, heads):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(d, bias=False), nn.LayerNorm(d, bias=False)
        self.qkv, self.out = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.up, self.down = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(b, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, d))
        return x + self.down(F.gelu(self.up(self.norm2(x)), approximate="tanh"))


class TinyLM(nn.Module):
    """Pre-norm decoder; the token embedding is tied to the output head."""

    def __init__(self, vocab, d, layers):
        super().__init__()
        self.embed, self.position = nn.Embedding(vocab, d), nn.Embedding(CONTEXT, d)
        self.blocks = nn.ModuleList(Block(d, max(1, d // 22)) for _ in range(layers))
        self.norm = nn.LayerNorm(d, bias=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.5 / math.sqrt(d))
        for block in self.blocks:
            for w in (block.out.weight, block.down.weight):
                nn.init.normal_(w, std=0.5 / math.sqrt(2 * layers * w.shape[1]))

    def forward(self, tokens):
        x = self.embed(tokens) + self.position.weight
        for block in self.blocks:
            x = block(x)
        return self.norm(x) @ self.embed.weight.T

    def count(self):
        total = sum(p.numel() for p in self.parameters())
        return total - self.embed.weight.numel() - self.position.weight.numel(), total


def evaluate(model, valid):
    """Mean loss over the scored bytes and its standard error over sequences."""
    model.eval()
    per_sequence = []
    with torch.no_grad():
        for part in valid.split(256):
            logits = model(part[:, :-1])[:, -SCORED:]
            loss = F.cross_entropy(
                logits.reshape(-1, logits.shape[-1]), part[:, -SCORED:].reshape(-1), reduction="none"
            )
            per_sequence.append(loss.view(len(part), -1).mean(1).double())
    model.train()
    x = torch.cat(per_sequence)
    return x.mean().item(), (x.std() / math.sqrt(len(x))).item()


def train(corpus, size, tokens, seed, lr):
    """One run: warm up, then decay linearly to zero over the whole of its one epoch."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    windows, valid, vocab = load_corpus(corpus)
    valid = torch.from_numpy(valid.astype(np.int64)).to(device)
    order = np.random.default_rng([seed, tokens]).permutation(len(windows))[: tokens // CONTEXT]
    d, layers = SIZES[size]
    model = TinyLM(vocab, d, layers).to(device)
    opt = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.0)
    steps = len(order) // BATCH
    warmup = max(10, min(200, steps // 10))
    marks = {max(1, round(f * steps)): f for f in CHECKPOINTS}
    curve, start = [], time.time()
    for step in range(1, steps + 1):
        fraction = min(step / warmup, (steps - step + 1) / (steps - warmup + 1))
        for group in opt.param_groups:
            group["lr"] = lr * fraction
        batch = torch.from_numpy(windows[order[(step - 1) * BATCH : step * BATCH]].astype(np.int64)).to(device)
        logits = model(batch[:, :-1])
        loss = F.cross_entropy(logits.reshape(-1, vocab), batch[:, 1:].reshape(-1))
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        if step in marks:
            mean, se = evaluate(model, valid[:CHECK_SEQUENCES])
            curve.append((step * BATCH * CONTEXT, step, fraction, mean, se))
    mean, se = evaluate(model, valid)
    seen = steps * BATCH * CONTEXT
    curve.append((seen, steps, 0.0, mean, se))
    params, total = model.count()
    name = f"{corpus}-{size}-{tokens / 1e6:g}M-s{seed}"
    row = dict(
        run=name, corpus=corpus, size=size, d_model=d, layers=layers, params=params, params_total=total, tokens=seen,
        seed=seed, lr=f"{lr:.4g}", steps=steps, loss=f"{mean:.5f}", loss_se=f"{se:.5f}",
        train_seconds=f"{time.time() - start:.1f}", device=platform.machine() if device == "cpu" else device,
    )  # fmt: skip
    curves = [
        dict(run=name, corpus=corpus, params=params, tokens=t, step=s, lr_fraction=f"{f:.4f}", loss=f"{m:.5f}",
             loss_se=f"{e:.5f}")
        for t, s, f, m, e in curve
    ]  # fmt: skip
    return row, curves


# ------------------------------------------------------------------------------------------------------------- grid


def base_lr(size):
    return 0.02 * math.sqrt(16 / SIZES[size][0])


def work(job):
    kind, corpus, size, tokens, seed, lr = job
    return kind, corpus, size, *train(corpus, size, tokens, seed, lr)


def rows(path):
    return list(csv.DictReader(path.open())) if path.exists() else []


def append(path, fields, new):
    fresh = not path.exists()
    with path.open("a", newline="") as f:
        writer = csv.DictWriter(f, fields, lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerows(new)


def sweep(pool, out):
    """Three learning rates a size, then outwards while the best is at an edge; returns the chosen ones."""
    path = out / "lr_sweep.csv"
    tried = {(r["corpus"], r["size"], float(r["lr"])): r for r in rows(path)}
    while True:
        jobs = []
        for corpus in CORPORA:
            for size in SIZES:
                rates = {lr: float(r["loss"]) for (c, s, lr), r in tried.items() if (c, s) == (corpus, size)}
                wanted = {float(f"{base_lr(size) * f:.4g}") for f in SWEEP_FACTORS}
                if wanted <= set(rates):
                    best = min(rates, key=rates.get)
                    wanted = {
                        float(f"{best * f:.4g}")
                        for f in (0.5, 2.0)
                        if (best == min(rates) and f < 1) or (best == max(rates) and f > 1)
                    }
                jobs += [("sweep", corpus, size, SWEEP_TOKENS, SWEEP_SEED, lr) for lr in wanted - set(rates)]
        if not jobs:
            break
        for _, corpus, size, row, _ in pool.imap_unordered(work, jobs):
            print(f"sweep {corpus} {size} lr {row['lr']}: {row['loss']} ({row['train_seconds']} s)", flush=True)
            record = {k: row[k] for k in SWEEP_FIELDS if k in row} | {"chosen": 0}
            append(path, SWEEP_FIELDS, [record])
            tried[corpus, size, float(row["lr"])] = record
    chosen = {}
    for (corpus, size, lr), r in tried.items():
        best = chosen.get((corpus, size))
        if best is None or float(r["loss"]) < float(tried[corpus, size, best]["loss"]):
            chosen[corpus, size] = lr
    for (corpus, size, lr), r in tried.items():
        r["chosen"] = int(chosen[corpus, size] == lr)
    path.unlink()
    append(path, SWEEP_FIELDS, sorted(tried.values(), key=lambda r: (r["corpus"], int(r["params"]), float(r["lr"]))))
    return chosen


def grid(chosen):
    """Every cell, then the replicates; cheapest first, so that a log cut short is still a whole smaller grid."""
    cells = [(c, s, d, 1) for c in CORPORA for s in SIZES for d in TOKENS]
    cells += [(c, s, TOKENS[i], seed) for c in CORPORA for s, i in REPLICATES for seed in (2, 3)]
    cost = lambda cell: 12 * SIZES[cell[1]][0] ** 2 * SIZES[cell[1]][1] * cell[2]  # noqa: E731
    return [("grid", c, s, d, seed, chosen[c, s]) for c, s, d, seed in sorted(cells, key=cost)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--entropy", action="store_true", help="print the exact entropy rate of `source` and stop")
    args = parser.parse_args()
    if args.entropy:
        print(f"source: {entropy_rate():.6f} nats per byte")
        return
    for corpus in CORPORA:
        load_corpus(corpus)
    with mp.get_context("spawn").Pool(args.workers) as pool:
        chosen = sweep(pool, args.out)
        done = {r["run"] for r in rows(args.out / "runs.csv")}
        jobs = [j for j in grid(chosen) if f"{j[1]}-{j[2]}-{j[3] / 1e6:g}M-s{j[4]}" not in done]
        for i, (_, _, _, row, curve) in enumerate(pool.imap_unordered(work, jobs), 1):
            append(args.out / "curves.csv", CURVE_FIELDS, curve)
            append(args.out / "runs.csv", RUN_FIELDS, [row])
            print(
                f"{i}/{len(jobs)} {row['run']}: {row['loss']} +- {row['loss_se']} ({row['train_seconds']} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()
