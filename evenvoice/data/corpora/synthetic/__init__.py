"""The default corpus: a made-up voice-assistant world, placed in real US regions and spoken by espeak-ng.

Where to look: ``world`` holds every number, ``speakers`` draws people from it, ``sentences`` what they say, ``voices``
speaks it, ``acoustics`` puts it into a room, ``census`` makes the postal codes and ``corpus`` ties them together.
docs/synthetic-world.md says what of it is real.
"""

from evenvoice.data.corpora.synthetic.corpus import SyntheticCorpus

__all__ = ["SyntheticCorpus"]
