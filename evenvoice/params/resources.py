"""What stages may use of a machine."""

from __future__ import annotations

from pydantic import Field

from evenvoice.params.section import Section


class Size(Section):
    """What a stage may use of a machine; dvc.yaml says which size a stage has (`meta: {size: training}`)."""

    cpus: int = Field(ge=0, description="Cores, and threads of numerical work; 0 takes all that the machine has.")
    memory_gb: float = Field(ge=0, description="Beyond this a container is killed; 0 sets no limit.")
    gpus: int = Field(ge=0, description="GPUs of the kind resources.gpu_kind.")
    minutes: float = Field(gt=0, description="A stage that takes longer is stopped.")


class TrainingSize(Size):
    """What a stage that trains may use of each machine, and how many machines it is spread over."""

    nodes: int = Field(ge=1, le=1024, description="Machines that recognisers are trained on together, with the runner "
                       "kubernetes: the processes of train.processes are spread evenly over them, and each has the "
                       "cores, memory and GPUs of this size. Other runners train on one.")


class Resources(Section):
    """Sizes of stages. No result depends on them, so changing one runs nothing again."""

    gpu_kind: str = Field(pattern=r"^[a-z0-9-]*$", description="Kind of GPU that stages wait for, as in the name of "
                          "Airflow's pool gpu-<kind> and in Kubernetes' node selector; empty for any.")
    shard_gb: float = Field(ge=0, description="Features are extracted and speech is transcribed in mapped tasks of "
                            "about so many 10^9 bytes of input each, where there is more; 0 never splits.")
    light: Size
    data: Size
    training: TrainingSize

    def size(self, name: str) -> Size:
        """The size that dvc.yaml names."""
        sizes: dict[str, Size] = {"light": self.light, "data": self.data, "training": self.training}
        return sizes[name]
