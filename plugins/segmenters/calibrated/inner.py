"""The segmenter that is calibrated: made to keep its probabilities, and applied."""

from __future__ import annotations

from fibcore import Context, FibError, Images, Labels, Segmenter, Trainable
from fibcore.contracts import products
from fibcore.registry import registry

SWITCH = "save_probability"
"""Parameter of segmenters that keep probabilities only if it is switched on."""


def keeping_probability(segmenter: Segmenter) -> Segmenter:
    """Return a segmenter that keeps its probabilities.

    Raises:
        FibError: it has none, or has to be fitted first.
    """
    own = type(segmenter)
    if "probability" not in products(own, own.main_method):
        able = [
            entry.identifier
            for entry in registry().usable("segmenter")
            if entry.identifier != "segmenter/calibrated"
            and "probability" in products(registry().plugin(entry.identifier), "predict")
        ]
        raise FibError(
            f"{own.identifier()} keeps no probability that could be calibrated; use one of "
            f"{', '.join(able)}"
        )
    if SWITCH not in own.model_fields or getattr(segmenter, SWITCH):
        return segmenter
    if not (isinstance(segmenter, Trainable) and segmenter.fitted):
        return own.model_validate(segmenter.model_dump(mode="json") | {SWITCH: True})
    now = segmenter.model_dump(mode="json")
    changes = {name: now[name] for name in own.apply_params} | {SWITCH: True}
    return own.from_model(segmenter.model, **changes)


def probability_of(
    segmenter: Segmenter, images: Images, context: Context, name: str
) -> tuple[Labels, Images]:
    """Return the labels and the probabilities that a segmenter gives images.

    Args:
        segmenter: from `keeping_probability`.
        images: the images.
        context: surroundings of the step.
        name: of the folder for temporary files, and of the seed.

    Raises:
        FibError: the segmenter kept no probability of each phase.
    """
    own = Context(
        int(context.rng_for(name).integers(2**63)),
        device=context.device_asked,
        threads=context.threads,
        scratch=context.scratch / name,
        report=lambda what, done, total: context.progress(done, total, what),
        log=context.log,
        spread=context.spread if context.spreads else None,
    )
    labels = segmenter.predict(images, context=own)
    context.device_used = own.device_used
    probability = own.kept.get("probability")
    if not isinstance(probability, Images) or len(probability.data) != len(labels.phases):
        raise FibError(
            f"{segmenter.identifier()} kept no probability of each of the "
            f"{len(labels.phases)} phases; it cannot be calibrated"
        )
    return labels, probability
