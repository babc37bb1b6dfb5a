# Every command a person needs; `make` lists them. Details: ops/ (python -m ops --help).
# .venv keeps its Python; a new one gets the first of these that works
PYTHON ?= $(shell for python in .venv/bin/python python3.11 python3.12 python3.13 python3.14 python3; \
	do $$python -c pass 2>/dev/null && echo $$python && break; done)
VENV_PYTHON := .venv/bin/python
AIRFLOW_PORT ?= 8080
MLFLOW_PORT ?= 5000
ACCELERATOR ?= cpu
TAG ?= local
CORPORA ?= synthetic
SEEDS ?= 5
STEPS ?= 1200
QUICK := not engine and not science and not cluster
# the order of folders puts what takes longest first, so that both workers end together
PYTEST = $(VENV_PYTHON) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder $(PYTEST_OPTIONS)
# compiled modules make every later start faster
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help judge run up down up-stack down-stack doctor relocate images stack-images base-image wheelhouse test test-engines test-cluster cluster-up cluster-down test-science test-pythons lint repro lock clean \
	bench-loss bench-train bench-stream bench-features bench-gpu bench-models bench-choice bench-discovery bench-gate bench-healing bench-worlds bench-mitigation bench-gates bench-amortized bench-verification bench-multitalker bench-judge bench-scale bench-index bench-weight bench-objects env env-dev env-bench

help: ## this list
	@echo "make <target>, where <target> is one of"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  \1|\2/' | awk -F'|' '{printf "%-17s %s\n", $$1, $$2}'
	@echo
	@echo "make takes       PYTHON=python3.12     the Python of .venv, 3.11 to 3.14; another one makes .venv anew"
	@echo "make run takes   DAG=train_verifier    a speaker verifier instead of a recogniser"
	@echo "                 DAG=train_multitalker a recogniser of two people at once"
	@echo "                 PROFILE=digits        values of profiles/digits.yaml over params.yaml"
	@echo "                 CORPUS=path           your own speech instead of the synthetic corpus"
	@echo "                 SET='train.steps=100' single parameters"
	@echo "                 FORCE=1               every stage;  FORCE_STAGE=train  one of them"
	@echo "                 STALE=rerun           results that older packages made are made anew"
	@echo "                 VERIFY=1              content of all recordings is read, not only sizes and times"
	@echo "                 RUNNER=docker         stages in containers; otherwise as EVENVOICE_RUNNER says, or as processes"
	@echo "                 JOBS=1                stages one after another; otherwise one per core, if memory allows"
	@echo "make images takes BASE_IMAGE=tag WHEELHOUSE=folder ACCELERATOR=cuda TAG=local DOCKER=/path/docker"
	@echo "make judge takes HYPOTHESES=table.tsv SPEAKERS=table.tsv BY=gender,device OUT=judged"
	@echo "                 MODEL=models:/name/3 CORPUS=path  a registered model instead of HYPOTHESES"
	@echo "                 EMBEDDINGS=table.parquet  clusters of like voices are judged too"
	@echo "                 RECORD=1              in MLflow as well; RECORD=http://host:5000 at that one"
	@echo "make bench-models takes CORPORA='synthetic digits=path/to/corpora/real' SEEDS=5 STEPS='1200 300' LISTEN_FIRST_S=0.24"
	@echo "                       ARMS='lstm transformer=muon:0.004,0.008'   what is trained, by which optimiser at which rates"
	@echo "make bench-mitigation takes CORPORA='synthetic accents=path/to/corpora/real' SEEDS=5"
	@echo "make bench-multitalker takes CORPORA='digits=path/to/corpora/real' SEEDS=2"
	@echo "make bench-verification takes CORPORA='synthetic accents=path/to/corpora/real' SEEDS=5 PLANTED=1"
	@echo "make up takes    AIRFLOW_PORT=8080 MLFLOW_PORT=5000"
	@echo "make relocate takes FROM=path         the old directory of artifacts, where the database does not say it"

run: env ## train, check, mitigate, gate and register a recogniser, of one talker or of two, or a speaker verifier
	@$(VENV_PYTHON) -m ops run $(if $(DAG),--dag "$(DAG)") --profile "$(PROFILE)" --corpus "$(CORPUS)" --set $(SET) \
		--force-stage "$(FORCE_STAGE)" $(if $(STALE),--stale "$(STALE)") $(if $(RUNNER),--runner "$(RUNNER)") $(if $(JOBS),--jobs $(JOBS)) $(if $(filter-out 0,$(FORCE)),--force) \
		$(if $(filter-out 0,$(VERIFY)),--verify)

up: env ## start Airflow and MLflow on this machine
	@$(VENV_PYTHON) -m ops up --airflow-port $(AIRFLOW_PORT) --mlflow-port $(MLFLOW_PORT)

down: env ## stop what `make up` started
	@$(VENV_PYTHON) -m ops down

doctor: env ## what this machine lacks, and what to do about it
	@$(VENV_PYTHON) -m ops doctor

judge: env ## judge anybody's recogniser by what it wrote (docs/judge.md)
	@$(VENV_PYTHON) -m evenvoice judge $(HYPOTHESES) $(if $(SPEAKERS),--speakers "$(SPEAKERS)") $(if $(BY),--by "$(BY)") \
		$(if $(OUT),--out "$(OUT)") $(if $(MODEL),--model "$(MODEL)" --corpus "$(CORPUS)") $(if $(EMBEDDINGS),--embeddings "$(EMBEDDINGS)") \
		$(if $(filter-out 0,$(RECORD)),--record $(if $(filter-out 1,$(RECORD)),"$(RECORD)"))

relocate: env ## after .evenvoice was moved or copied: let the registry know its new place
	@$(VENV_PYTHON) -m ops env python -m evenvoice.tracking relocate $(if $(FROM),--from "$(FROM)")

images: env ## build the images of stages and of Airflow
	@$(VENV_PYTHON) -m ops images --base-image "$(BASE_IMAGE)" --wheelhouse "$(WHEELHOUSE)" \
		--accelerator "$(ACCELERATOR)" --tag "$(TAG)" --docker "$(DOCKER)"

stack-images: env ## build the images that only the stack needs
	@$(VENV_PYTHON) -m ops stack-images --base-image "$(BASE_IMAGE)" --wheelhouse "$(WHEELHOUSE)" --docker "$(DOCKER)"

up-stack: env ## start the whole service in containers (docs/stack.md)
	@$(VENV_PYTHON) -m ops up-stack

down-stack: env ## stop what `make up-stack` started; its data stays
	@$(VENV_PYTHON) -m ops down-stack

base-image: env ## a base for the images, where no registry can be reached
	@$(VENV_PYTHON) -m ops base-image --docker "$(DOCKER)"

wheelhouse: env ## the packages of the images as wheels
	@$(VENV_PYTHON) -m ops wheelhouse --accelerator "$(ACCELERATOR)"

test: env-dev lint ## style, types and tests; needs no container engine and no root
	$(PYTEST) -m "$(QUICK)"

test-engines: env-dev ## tests with containers, pods, the stack and object stores
	$(PYTEST) -m engine

test-cluster: env-dev ## tests on a real Kubernetes with two nodes, where one can be had (tests/builders/cluster.py)
	$(VENV_PYTHON) -m pytest -q -m cluster tests/cluster

cluster-up: env-dev ## that Kubernetes, a store, PostgreSQL and MLflow, for runs by hand
	@$(VENV_PYTHON) -m tests.cluster up

cluster-down: env-dev ## the end of it
	@$(VENV_PYTHON) -m tests.cluster down

test-science: env-dev ## tests that count and train for minutes
	$(PYTEST) -m science

test-pythons: env-dev ## the quick tests on each other supported Python of this machine
	@$(VENV_PYTHON) -m ops.pythons -q -n 2 --dist loadfile -m "$(QUICK)" tests/unit tests/contracts

lint: env-dev ## style, types and import contracts
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports

bench-loss: env-bench ## the transducer loss beside its rivals
	@$(VENV_PYTHON) -m benchmarks.transducer_loss

bench-train: env-bench ## training speed beside an ordinary loop
	@$(VENV_PYTHON) -m benchmarks.train_throughput

bench-stream: env-bench ## latency of one stream beside onnxruntime
	@$(VENV_PYTHON) -m benchmarks.streaming_latency

bench-gates: env ## what gates of a transformer save in time, beside the dense one
	@$(VENV_PYTHON) -m benchmarks.gates

bench-features: env-bench ## log-mel features beside kaldi-native-fbank and lhotse
	@$(VENV_PYTHON) -m benchmarks.features

bench-gpu: ## all of it on a GPU, in seven minutes; needs torch, not .venv. TINY=1: a little of it on a processor
	@$(if $(filter file undefined default,$(origin PYTHON)),$(firstword $(wildcard $(VENV_PYTHON)) python3),$(PYTHON)) \
		-m benchmarks.gpu $(if $(filter-out 0,$(TINY)),--tiny)

bench-models: env-bench ## which encoder: the bake-off, for hours
	@$(VENV_PYTHON) -m benchmarks.model_bakeoff --corpus $(CORPORA) --seeds $(SEEDS) --steps $(STEPS) \
		$(if $(ARMS),--arms $(ARMS)) $(if $(LISTEN_FIRST_S),--listen-first-s $(LISTEN_FIRST_S))

bench-choice: env ## which rule chooses the challenger best, on arms of known effect
	@$(VENV_PYTHON) -m benchmarks.choice

bench-discovery: env-bench ## which planted regions are found: straight cuts beside boxes, in some minutes
	@$(VENV_PYTHON) -m benchmarks.discovery

bench-gate: env-bench ## how far a verdict can be trusted, on speakers of known error rates, for 40 minutes
	@$(VENV_PYTHON) -m benchmarks.trust

bench-healing: env ## harm found, speech collected, harm healed: two runs over SEEDS, for hours
	@$(VENV_PYTHON) -m benchmarks.healing --seeds $(SEEDS)

bench-worlds: env ## what a run says of each cause of harm, beside the truth, over SEEDS
	@$(VENV_PYTHON) -m benchmarks.worlds --seeds $(SEEDS)

bench-mitigation: env ## bottom cohort against everyone, over the settings of every arm and SEEDS, for hours
	@$(VENV_PYTHON) -m benchmarks.mitigation --corpus $(CORPORA) --seeds $(SEEDS)

bench-verification: env ## does weighting speakers make verification fairer; every weighting and control over SEEDS, for an hour
	@$(VENV_PYTHON) -m benchmarks.verification --corpora $(CORPORA) --seeds $(SEEDS) $(if $(filter-out 0,$(PLANTED)),--planted)

bench-multitalker: env ## what a recogniser of two people at once needs, arm by arm, over two SEEDS, for an hour
	@$(VENV_PYTHON) -m benchmarks.multitalker --corpus $(CORPORA) --seeds $(SEEDS)

bench-judge: env-bench ## judging up to a million speakers, step by step, beside scikit-learn, scipy and fairlearn
	@$(VENV_PYTHON) -m benchmarks.judging

bench-scale: env ## every stage from ingest to gate on 1, 10 and 100 hours of speech, for an hour
	@$(VENV_PYTHON) -m benchmarks.scale 1 10 100

bench-index: env ## 72 million recordings looked at, split, cut into units and planned for training
	@$(VENV_PYTHON) -m benchmarks.index_scale 1 72

bench-weight: env ## what a process and a container add to a small stage
	@$(VENV_PYTHON) -m benchmarks.weight

bench-objects: env ## sending and bringing objects beside boto3's TransferManager
	@$(VENV_PYTHON) -m benchmarks.objects

bench-amortized: env ## models that compute less, beside other ways to save as much, over SEEDS, for an hour
	@$(VENV_PYTHON) -m benchmarks.amortized --seeds $(SEEDS)

repro: env ## the graph in this checkout by `dvc repro`, without Airflow or MLflow; all products
	@$(VENV_PYTHON) -m ops corpus
	@$(VENV_PYTHON) -m ops env dvc repro

lock: ## resolve the locks anew from pyproject.toml
	$(PYTHON) ops/bootstrap.py dev
	$(VENV_PYTHON) -m ops lock

clean: ## remove runs, cache and reports of this checkout; packages and registry stay
	cd .evenvoice 2>/dev/null && rm -rf runs cache locks corpora made_with dvc || true
	rm -rf artifacts reports checkpoints pieces corpus.json watched.json

env:
	@$(PYTHON) ops/bootstrap.py run

env-dev:
	@$(PYTHON) ops/bootstrap.py dev

env-bench:
	@$(PYTHON) ops/bootstrap.py bench
