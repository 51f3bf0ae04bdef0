"""Training: a method says what to minimise, the trainer does everything else.

A method (`method`, or the base of `simple`) brings networks, phases with a loss each, and settings of optimisers
(`optimizer_config`); it may use `schedules` and draws of `randomness`. `Trainer` gets it, batches (`state.BatchesLike`)
and a `TrainConfig`, and owns the rest: updates (`updates`, `optimizers`), moving averages (`average`), ranks
(`distributed`), checkpoints (`checkpoint`), roll-backs (`health`), signals (`signals`), and what is told of it all
(`report`, `journal`, `progress`). `genstruct.run` keeps settings and machine beside the results. Nothing here knows
what is learned. Exactness is explained in `trainer`, randomness in `randomness`, gradients over ranks in
`nn.collective`.
"""
