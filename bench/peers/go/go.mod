module tasktree.example/bench

go 1.19
