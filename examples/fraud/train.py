#!/usr/bin/env python3
"""Trains the fraud model and writes it where the server finds it: models/fraud/VERSION/model.onnx.

    ./train.py --transactions transactions.csv.gz --train 2018-05-20 2018-05-27 --test 2018-06-03 2018-06-10
    ./train.py --transactions transactions.jsonl --features predictions.jsonl --version 2

Transactions are a CSV or JSON lines (gzip or plain) with the fields of the topic, TX_FRAUD included.
Features come from the server: predictions read from its topic as JSON lines (they carry the vector and the transaction's id), or a CSV
with TRANSACTION_ID and a column a feature. Without --features they are computed here, by the definition, so no server is needed.
Without --train and --test the oldest 70 % of the rows train and the rest test.

Needs numpy, pandas and scikit-learn (Debian: python3-sklearn python3-pandas). The ONNX file is written by hand, below.
"""

import argparse
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.preprocessing import StandardScaler

DAY_S = 86_400
WINDOWS_DAYS = (1, 7, 30)
LABEL_DELAY_DAYS = 7
FEATURES = (
    ["TX_AMOUNT", "TX_DURING_WEEKEND", "TX_DURING_NIGHT"]
    + [f"CUSTOMER_ID_{what}_{days}DAY_WINDOW" for days in WINDOWS_DAYS for what in ("NB_TX", "AVG_AMOUNT")]
    + [f"TERMINAL_ID_{what}_{days}DAY_WINDOW" for days in WINDOWS_DAYS for what in ("NB_TX", "RISK")]
)


def open_text(path):
    return gzip.open(path, "rt", encoding="utf-8") if str(path).endswith(".gz") else open(path, encoding="utf-8")


def is_csv(path):
    return ".csv" in Path(path).suffixes


def read_transactions(path):
    """In the file's order, by time: among equal times the file's order counts."""
    table = pd.read_csv(path) if is_csv(path) else pd.read_json(path, lines=True, convert_dates=False)
    times = table.TX_DATETIME
    if pd.api.types.is_numeric_dtype(times):
        seconds = times // 1000
    else:
        seconds = pd.to_datetime(times, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return table.assign(time_s=seconds).sort_values("time_s", kind="stable", ignore_index=True)


def read_features(path):
    """A feature a column, indexed by TRANSACTION_ID."""
    if is_csv(path):
        return pd.read_csv(path).set_index("TRANSACTION_ID")[FEATURES]
    with open_text(path) as file:
        predictions = [json.loads(line) for line in file if line.strip()]
    table = pd.DataFrame([prediction["features"] for prediction in predictions], index=[int(prediction["id"]) for prediction in predictions])
    return table[FEATURES].astype(np.float64)


def window(rows, value, days, delay_days):
    """Count and sum, for each row of one entity, over (t - delay - days, t - delay]; without delay up to and with the row itself."""
    t = rows.time_s.to_numpy()
    end = np.searchsorted(t, t - delay_days * DAY_S, side="right") if delay_days else np.arange(1, len(t) + 1)
    start = np.searchsorted(t, t - (delay_days + days) * DAY_S, side="right")
    running = np.concatenate(([0], np.cumsum(rows[value].to_numpy())))
    return end - start, running[end] - running[start]


def compute_features(transactions):
    """The features by their definition, the slow and plain way."""
    result = pd.DataFrame(0.0, index=transactions.index, columns=FEATURES)
    t = transactions.time_s
    result["TX_AMOUNT"] = transactions.TX_AMOUNT
    result["TX_DURING_WEEKEND"] = ((t // DAY_S + 3) % 7 >= 5).astype(np.float64)  # 1970-01-01 was a Thursday
    result["TX_DURING_NIGHT"] = (t % DAY_S // 3600 <= 6).astype(np.float64)
    cents = transactions.assign(cents=np.rint(transactions.TX_AMOUNT * 100).astype(np.int64))  # whole numbers: no sum drifts
    for entity, value, delay_days, mean, unit in (("CUSTOMER_ID", "cents", 0, "AVG_AMOUNT", 100.0), ("TERMINAL_ID", "TX_FRAUD", LABEL_DELAY_DAYS, "RISK", 1.0)):
        parts = {days: [] for days in WINDOWS_DAYS}
        rows_of = [rows for _, rows in cents.groupby(entity, sort=False)]
        for rows in rows_of:
            for days in WINDOWS_DAYS:
                parts[days].append(window(rows, value, days, delay_days))
        order = np.concatenate([rows.index.to_numpy() for rows in rows_of])
        for days in WINDOWS_DAYS:
            count, total = (np.concatenate([part[i] for part in parts[days]]) for i in (0, 1))
            result.loc[order, f"{entity}_NB_TX_{days}DAY_WINDOW"] = count.astype(np.float64)
            result.loc[order, f"{entity}_{mean}_{days}DAY_WINDOW"] = total / np.maximum(count, 1) / unit
    return result.set_index(transactions.TRANSACTION_ID.to_numpy())


# ---------------------------------------------------------------- ONNX: protobuf's wire format, and the few messages a small graph needs

def varint(value):
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes(out + bytes([value]))


def field(number, value):
    """One field: an int as varint, text or bytes or a message (bytes) with its length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def message(*fields):
    return b"".join(field(number, value) for number, value in fields)


FLOAT, INT64 = 1, 7


def tensor(name, array):
    kind = FLOAT if array.dtype == np.float32 else INT64
    return message(*((1, int(size)) for size in array.shape), (2, kind), (8, name), (9, array.astype(array.dtype.newbyteorder("<")).tobytes()))


def value_info(name, kind, *columns):
    rows = message((1, message((2, "N"))))
    shape = rows + b"".join(message((1, message((1, size)))) for size in columns)
    return message((1, name), (2, message((1, message((1, kind), (2, shape))))))


def node(operator, inputs, output, **integers):
    attributes = ((5, message((1, name), (3, value), (20, 2))) for name, value in integers.items())
    return message(*((1, name) for name in inputs), (2, output), (4, operator), *attributes)


def onnx_model(mean, scale, weights, bias):
    """sigmoid(((features - mean) / scale) @ weights + bias): float [N, features] -> label int64 [N], probabilities float [N, 2]."""
    float32 = lambda values, *shape: np.asarray(values, np.float32).reshape(shape)
    constants = {
        "mean": float32(mean, len(mean)), "scale": float32(scale, len(scale)), "weights": float32(weights, len(weights), 1), "bias": float32(bias, 1),
        "one": float32(1, 1), "half": float32(0.5, 1), "column": np.array([1], np.int64),
    }
    nodes = [
        node("Sub", ["features", "mean"], "centred"),
        node("Div", ["centred", "scale"], "standardized"),
        node("MatMul", ["standardized", "weights"], "product"),
        node("Add", ["product", "bias"], "logit"),
        node("Sigmoid", ["logit"], "fraud"),
        node("Sub", ["one", "fraud"], "genuine"),
        node("Concat", ["genuine", "fraud"], "probabilities", axis=1),
        node("Greater", ["fraud", "half"], "is_fraud"),
        node("Cast", ["is_fraud"], "labels", to=INT64),
        node("Squeeze", ["labels", "column"], "label"),
    ]
    graph = message(
        *((1, each) for each in nodes), (2, "fraud"), *((5, tensor(name, array)) for name, array in constants.items()),
        (11, value_info("features", FLOAT, len(mean))), (12, value_info("label", INT64)), (12, value_info("probabilities", FLOAT, 2)))
    return message((1, 8), (2, "train.py"), (7, graph), (8, message((2, 17))))  # IR version 8, opset 17


# ----------------------------------------------------------------

def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--transactions", required=True, help="CSV or JSON lines, gzip or plain")
    parser.add_argument("--features", help="predictions as JSON lines, or a CSV of features; default: computed here")
    parser.add_argument("--train", nargs=2, metavar=("FROM", "TO"), help="days, the second one excluded")
    parser.add_argument("--test", nargs=2, metavar=("FROM", "TO"), help="days, the second one excluded")
    parser.add_argument("--version", type=int, default=1, help="the model version to write (default 1); the server runs the largest")
    parser.add_argument("--models", type=Path, default=Path(__file__).resolve().parent / "models", help="the server's --models folder")
    options = parser.parse_args()
    if (options.train is None) != (options.test is None):
        parser.error("--train and --test go together")

    transactions = read_transactions(options.transactions)
    features = read_features(options.features) if options.features else compute_features(transactions)
    rows = transactions[["TRANSACTION_ID", "TX_FRAUD", "time_s"]].drop_duplicates("TRANSACTION_ID").merge(features, left_on="TRANSACTION_ID", right_index=True)
    if options.train:
        between = lambda days: rows[(rows.time_s >= pd.Timestamp(days[0]).timestamp()) & (rows.time_s < pd.Timestamp(days[1]).timestamp())]
        train, test = between(options.train), between(options.test)
    else:
        train, test = rows.iloc[: int(len(rows) * 0.7)], rows.iloc[int(len(rows) * 0.7):]
    for name, part in (("training", train), ("test", test)):
        if part.TX_FRAUD.nunique() < 2:
            parser.error(f"the {name} rows ({len(part):,}) hold no fraud, or nothing else: take more transactions, or other days")

    scaler = StandardScaler().fit(train[FEATURES].to_numpy())
    regression = LogisticRegression(random_state=0, max_iter=1000).fit(scaler.transform(train[FEATURES].to_numpy()), train.TX_FRAUD)
    scores = regression.predict_proba(scaler.transform(test[FEATURES].to_numpy()))[:, 1]
    print(f"trained on {len(train):,} transactions ({train.TX_FRAUD.sum():,} fraud), tested on {len(test):,} ({test.TX_FRAUD.sum():,} fraud)")
    print(f"AUC {roc_auc_score(test.TX_FRAUD, scores):.4f}  average precision {average_precision_score(test.TX_FRAUD, scores):.4f}")

    model = onnx_model(scaler.mean_, scaler.scale_, regression.coef_[0], regression.intercept_[0])
    target = options.models / "fraud" / str(options.version) / "model.onnx"
    if target.exists() and target.read_bytes() != model:
        parser.error(f"{target} is another model, and a version never changes: take a new --version")
    target.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed, so that a running server never reads half a model.
    unfinished = target.with_suffix(".partial")
    unfinished.write_bytes(model)
    unfinished.replace(target)
    print(f"wrote {target}")


if __name__ == "__main__":
    main()
