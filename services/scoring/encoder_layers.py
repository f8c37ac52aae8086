"""The layer that BERTScore takes where nobody names one."""

# The choices of the package bert_score 0.3.13, by model id on the hub: for each model the layer
# whose scores agreed best with people's on WMT16. Only models that load_encoder can load.
_BEST_LAYERS = {
    "ProsusAI/finbert": 10,
    "SpanBERT/spanbert-base-cased": 8,
    "SpanBERT/spanbert-large-cased": 17,
    "allenai/scibert_scivocab_cased": 9,
    "allenai/scibert_scivocab_uncased": 8,
    "bert-base-chinese": 8,
    "bert-base-multilingual-cased": 9,
    "bert-base-uncased": 9,
    "bert-large-uncased": 18,
    "dbmdz/bert-base-turkish-cased": 10,
    "distilbert-base-multilingual-cased": 5,
    "distilbert-base-uncased": 5,
    "distilroberta-base": 5,
    "google/electra-base-discriminator": 9,
    "google/electra-large-discriminator": 14,
    "google/electra-small-discriminator": 11,
    "microsoft/deberta-base": 9,
    "microsoft/deberta-base-mnli": 9,
    "microsoft/deberta-large": 16,
    "microsoft/deberta-large-mnli": 18,
    "microsoft/deberta-v2-xlarge": 10,
    "microsoft/deberta-v2-xlarge-mnli": 17,
    "microsoft/deberta-v3-base": 9,
    "microsoft/deberta-v3-large": 12,
    "microsoft/deberta-v3-small": 4,
    "microsoft/deberta-v3-xsmall": 10,
    "microsoft/deberta-xlarge": 18,
    "microsoft/deberta-xlarge-mnli": 40,
    "microsoft/mdeberta-v3-base": 10,
    "microsoft/mpnet-base": 8,
    "roberta-base": 10,
    "roberta-large": 17,
    "roberta-large-mnli": 19,
    "xlm-roberta-base": 9,
    "xlm-roberta-large": 17,
}

# The hub gave models that had no owner one, and answers to both ids.
_OWNERS = ("FacebookAI/", "distilbert/", "google-bert/")


def best_layer(model: str) -> int | None:
    """The layer for a model of the hub, counted from 1; None for a model that is not known.

    >>> best_layer("roberta-large"), best_layer("FacebookAI/roberta-large"), best_layer("me/mine")
    (17, 17, None)
    """
    for owner in _OWNERS:
        model = model.removeprefix(owner)
    return _BEST_LAYERS.get(model)
