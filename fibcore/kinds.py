"""The kinds of plugins and their contracts; for readers see `fibcore.reader`.

The signature of a method defines the inputs of a step: parameter names are input names, annotations
are the artefacts that they take, and inputs with a default are optional. A plugin may add inputs of
its own before `context`; `context` is keyword-only here, so that such signatures are compatible.
Each method takes a `Context` as its last argument, and creates one if called without.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from pydantic import Field

from fibcore.context import Context
from fibcore.elements import element
from fibcore.errors import FibError
from fibcore.materials import Material
from fibcore.plugin import Forecast, Plugin, keeps
from fibcore.reader import Reader
from fibcore.roles import Abscissa, Curve, Key
from fibcore.tables import Table
from fibcore.volumes import Images, Labels, VolumeSpec


class Generator(Plugin):
    """Generates virtual structures."""

    kind: ClassVar[str] = "generator"
    main_method: ClassVar[str] = "generate"

    @abstractmethod
    def generate(self, context: Context | None = None, *, seed: int | None = None) -> Labels:
        """Return a new structure.

        Args:
            context: context of the step.
            seed: seed of the structure, instead of a context.
        """

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the shape given by the parameters `shape` and `voxel_size_nm`, if they exist."""
        shape, voxel = getattr(self, "shape", None), getattr(self, "voxel_size_nm", None)
        if shape is None or voxel is None:
            return Forecast()
        materials = getattr(self, "materials", ())
        phases = {i: material.name for i, material in enumerate(materials)}
        spec = VolumeSpec(Labels, tuple(shape), tuple(voxel), phases=phases)
        return Forecast(spec, memory_bytes=5 * spec.nbytes)


class Physics(Plugin):
    """Computes the backscatter coefficient of a material."""

    kind: ClassVar[str] = "physics"
    main_method: ClassVar[str] = "tabulate"
    leaves_model: ClassVar[bool] = True

    @abstractmethod
    def coefficient(
        self, material: Material, energy_kev: ArrayLike, depth_nm: ArrayLike = 0.0
    ) -> np.ndarray:
        """Return eta: backscattered electrons per incident electron, 0 to 1.

        Args:
            material: the material that scatters.
            energy_kev: beam energy in keV; broadcasts against `depth_nm`.
            depth_nm: thickness in nm of the pore filling above the material.
        """

    @property
    def overlayer_name(self) -> str | None:
        """Name of the material that fills the pores; None if it does not matter.

        By default that of the parameter `overlayer`, if there is one.
        """
        overlayer = getattr(self, "overlayer", None)
        return overlayer.name if isinstance(overlayer, Material) else None

    def tabulate(self, context: Context | None = None) -> Table:
        """Return eta of reference elements over energy and depth.

        Columns: material, atomic_number, energy_kev, depth_nm, eta.
        """
        rows: list[dict[str, Any]] = []
        depths = np.arange(0.0, 200.0, 10.0)
        for name in ("C", "Si", "Cu", "Ag", "Au"):
            material = Material.of_element(element(name))
            for energy in (1.0, 2.0, 4.0, 10.0, 20.0):
                for depth, eta in zip(
                    depths, self.coefficient(material, energy, depths), strict=True
                ):
                    rows.append(
                        {
                            "material": name,
                            "atomic_number": material.mean_atomic_number,
                            "energy_kev": energy,
                            "depth_nm": float(depth),
                            "eta": float(eta),
                        }
                    )
        keys = dict.fromkeys(("material", "atomic_number", "energy_kev"), Key())
        return Table.from_rows(rows, {**keys, "depth_nm": Abscissa(), "eta": Curve()})


class Simulator(Plugin):
    """Images a structure as a scanning electron microscope would."""

    kind: ClassVar[str] = "simulator"
    main_method: ClassVar[str] = "simulate"

    @abstractmethod
    def simulate(self, labels: Labels, *, context: Context | None = None) -> Images:
        """Return the image of each slice as the imaged face, one channel per voltage.

        A simulator that uses backscatter coefficients takes a `Physics` as another input.

        Args:
            labels: the structure; slice 0 is imaged first.
            context: context of the step.
        """

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return a float32 stack with the shape of the labels and channels for `energies_kev`.

        The memory is that of a simulator that holds labels and images.
        """
        spec = inputs.get("labels")
        energies = getattr(self, "energies_kev", None)
        if spec is None or energies is None:
            return Forecast()
        images = replace(spec, type=Images, kv=tuple(energies), dtype="float32", phases={})
        return Forecast(images, memory_bytes=spec.nbytes + images.nbytes)


class Adapter(Plugin):
    """Turns images into images: translation, degradation, correction."""

    kind: ClassVar[str] = "adapter"
    main_method: ClassVar[str] = "transform"

    @abstractmethod
    def transform(self, images: Images, *, context: Context | None = None) -> Images:
        """Return images of the same shape, slice for slice.

        Only an adapter that records raw stacks may return another shape, which `forecast` states.
        """

    def randomised(self, rng: np.random.Generator, spread: float = 0.5) -> Adapter:
        """Return a variant of this adapter, with parameters drawn at random around its own.

        Variants of an instrument are used to train on labelled images (domain randomisation). They
        do not shift the structure, so that the labels fit. By default an adapter has no variants
        and returns itself.

        Args:
            rng: random generator.
            spread: spread of the parameters, 0 and above; with 0 only shifts are removed.
        """
        return self

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the given stack, and the memory of one that holds both stacks."""
        spec = inputs.get("images")
        return Forecast(spec, memory_bytes=2 * spec.nbytes) if spec is not None else Forecast()


class Corrector(Plugin):
    """Undoes what the acquisition did to a recorded stack: drift, curtains, uneven slices, tilt.

    An adapter gives images another look; a corrector restores what they show. All channels show the
    same cut faces, and are moved together. Memory does not grow with the number of slices. A
    corrector that moves voxels also takes ``labels``, moves them in the same way and keeps them.
    """

    kind: ClassVar[str] = "corrector"
    main_method: ClassVar[str] = "correct"

    @abstractmethod
    def correct(self, images: Images, *, context: Context | None = None) -> Images:
        """Return corrected images; keeps ``corrections``, a table of what was done.

        The table has the column slice (of the given stack) and one row per slice. A trainable
        corrector without a fit estimates what to do from `images`.
        """

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return the spec of the given stack, and the memory of one that holds both stacks."""
        spec = inputs.get("images")
        if spec is None or method == "fit":
            return Forecast()
        return Forecast(spec, memory_bytes=2 * spec.nbytes)


class Source(Plugin):
    """Makes pairs of images and labels without end, to train on.

    All pairs have the shape, voxel size, channels and phases that `forecast` returns for `sample`:
    the images as its `output`, the labels as ``labels`` among its `kept` volumes.
    """

    kind: ClassVar[str] = "source"
    main_method: ClassVar[str] = "sample"
    leaves_model: ClassVar[bool] = True

    pairs_per_epoch: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="pairs that a training makes for each epoch, and holds in memory",
    )

    @abstractmethod
    def pair(
        self, purpose: str, number: int, context: Context | None = None
    ) -> tuple[Images, Labels]:
        """Return images and the labels that they show.

        The pair depends only on the seed of the context, `purpose` and `number`. It is made in any
        order, perhaps in another process, for which the source is pickled.

        Args:
            purpose: ``training``, ``validation``, or what else it is for, such as ``calibration``.
            number: number of the pair, from 0.
            context: context of the step that uses the pair.
        """

    @keeps(labels=Labels)
    def sample(self, context: Context | None = None) -> Images:
        """Return the images of training pair 0 as an example; keeps its labels."""
        context = Context.of(context)
        images, labels = self.pair("training", 0, context)
        context.keep("labels", labels)
        return images


class Segmenter(Plugin):
    """Turns images into labels."""

    kind: ClassVar[str] = "segmenter"
    main_method: ClassVar[str] = "predict"

    @abstractmethod
    def predict(self, images: Images, *, context: Context | None = None) -> Labels:
        """Return the phase of each voxel; labels have the (z, y, x) shape of the images.

        Segmenters that compute probabilities keep ``probability``: `Images` float32 from 0 to 1,
        one channel per phase.
        """

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Return labels with the shape of the images; the memory is that of one that holds both."""
        spec = inputs.get("images")
        if spec is None or method == "fit":
            return Forecast()
        labels = replace(spec, type=Labels, kv=(), dtype="uint8")
        return Forecast(labels, memory_bytes=spec.nbytes + labels.nbytes)


class Metric(Plugin):
    """Measures labels, images or other inputs, as its `measure` declares.

    A metric of labels that can be compared with a truth derives from `LabelMetric`.
    """

    kind: ClassVar[str] = "metric"
    main_method: ClassVar[str] = "measure"
    headline: ClassVar[tuple[str, ...] | None] = ()

    @abstractmethod
    def measure(self, *inputs: Any, **named: Any) -> Table:
        """Return one row of figures; curves and the like are further results.

        A metric declares its inputs, required or not, and takes `context` last.
        """


class LabelMetric(Metric):
    """Measures labels, compared with a truth.

    A metric that can also measure labels alone gives `truth` the default None.
    """

    @abstractmethod
    def measure(
        self, prediction: Labels, truth: Labels, *, context: Context | None = None
    ) -> Table:
        """Return one row of figures; curves and the like are further results.

        Args:
            prediction: labels to measure.
            truth: labels to compare with.
            context: context of the step.
        """

    def forecast(self, method: str, inputs: Mapping[str, Any]) -> Forecast:
        """Reject a prediction and a truth of different shapes.

        The memory is that of a metric that holds both.
        """
        prediction, truth = inputs.get("prediction"), inputs.get("truth")
        if prediction is not None and truth is not None and prediction.shape != truth.shape:
            raise FibError(
                f"prediction has shape {prediction.shape}, truth {truth.shape} (z, y, x): they "
                f"must be the same volume; cut both in the same way or load the matching truth"
            )
        volumes = (spec for spec in inputs.values() if isinstance(spec, VolumeSpec))
        return Forecast(memory_bytes=sum(spec.nbytes for spec in volumes))


KINDS: dict[str, type[Plugin]] = {
    cls.kind: cls
    for cls in (
        Generator,
        Physics,
        Simulator,
        Adapter,
        Corrector,
        Source,
        Segmenter,
        Metric,
        Reader,
    )
}
