"""The corridor: the stages that recipes name, each joining rooms that do not know each other."""

from __future__ import annotations

from kgdistill.contracts import Stage
from kgdistill.stages.augment import Augment
from kgdistill.stages.build import Decontextualise, FindNounPhrases, Generate, Ground, Judge, Read, Split
from kgdistill.stages.comet import SampleComet, TrainComet, WeighInferences
from kgdistill.stages.commonsense import Criticise, Events, Infer, JudgeInferences, TrainCritic
from kgdistill.stages.comparatives import (
    FilterComparatives,
    GenerateComparatives,
    GraphPairs,
    Orders,
    Settle,
    TrainDiscriminator,
)
from kgdistill.stages.corroborate import Corroborate
from kgdistill.stages.entailment import TrainEntailment
from kgdistill.stages.learn import Extract, MakePairs, Score, SeedPairs, Train
from kgdistill.stages.measure import Benchmarks, CheckJudge, Collect, Compare, Documents, Plant
from kgdistill.stages.paraphrases import (
    PairSentences,
    SampleParaphraser,
    TrainParaphraser,
    WeighParaphrases,
    WriteContexts,
    WriteSentences,
)
from kgdistill.stages.propositions import JudgePropositions, SegmentText
from kgdistill.stages.refine import Calibrate, Names, Refine, Store
from kgdistill.stages.relations import HarvestRelations, WeighRelationPrompts, WeighTuples, WriteRelationPrompts
from kgdistill.stages.rephrase import Rephrase
from kgdistill.stages.school import School
from kgdistill.stages.seeds import Seeds
from kgdistill.stages.segmenter import SegmentByStudent, TrainSegmenter, WeighPropositions

STAGES: dict[str, type[Stage]] = {
    "read": Read,
    "seeds": Seeds,
    "events": Events,
    "infer": Infer,
    "judge_inferences": JudgeInferences,
    "critic": TrainCritic,
    "criticise": Criticise,
    "comet": TrainComet,
    "sample_comet": SampleComet,
    "weigh_inferences": WeighInferences,
    "graph_pairs": GraphPairs,
    "comparatives": GenerateComparatives,
    "discriminator": TrainDiscriminator,
    "filter_comparatives": FilterComparatives,
    "orders": Orders,
    "settle": Settle,
    "contexts": WriteContexts,
    "sentences": WriteSentences,
    "pair_sentences": PairSentences,
    "paraphraser": TrainParaphraser,
    "sample_paraphraser": SampleParaphraser,
    "weigh_paraphrases": WeighParaphrases,
    "rephrase": Rephrase,
    "relation_prompts": WriteRelationPrompts,
    "prompt_weights": WeighRelationPrompts,
    "harvest": HarvestRelations,
    "consistency": WeighTuples,
    "propositions": SegmentText,
    "judge_propositions": JudgePropositions,
    "segmenter": TrainSegmenter,
    "segment": SegmentByStudent,
    "weigh_propositions": WeighPropositions,
    "split": Split,
    "decontextualise": Decontextualise,
    "generate": Generate,
    "noun_phrases": FindNounPhrases,
    "ground": Ground,
    "corroborate": Corroborate,
    "judge": Judge,
    "calibrate": Calibrate,
    "names": Names,
    "refine": Refine,
    "store": Store,
    "pairs": MakePairs,
    "seed_pairs": SeedPairs,
    "augment": Augment,
    "train": Train,
    "extract": Extract,
    "score": Score,
    "school": School,
    "entailment": TrainEntailment,
    "benchmarks": Benchmarks,
    "documents": Documents,
    "plant": Plant,
    "check_judge": CheckJudge,
    "collect": Collect,
    "compare": Compare,
}
"""Every stage by the name that recipes call it."""
