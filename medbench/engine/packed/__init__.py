"""The packed engine: every shared token once, no padding, logits only where they are read.

trie        token sequences as a tree of blocks
kernels     attention that also returns log-sum-exps, chosen by trial
attention   parts of an attention joined; what transformers calls in every layer
passes      one forward pass over a pack of blocks
scores      log-likelihoods
texts       generation with rows that come and go
trial       does it work for this model?
"""
