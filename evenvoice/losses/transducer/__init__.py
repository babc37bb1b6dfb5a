"""The parts of the transducer loss; evenvoice/losses/rnnt.py puts them together."""
