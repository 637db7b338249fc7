;; Takes half of what it may in each of three memories.
(memory $second 0)
(memory $third 0)
(func $hostile (result i32)
  (if (i32.lt_s (memory.grow (i32.const 6)) (i32.const 0)) (then (return (i32.const 1024))))
  (if (i32.lt_s (memory.grow $second (i32.const 6)) (i32.const 0)) (then (return (i32.const 1024))))
  (if (i32.lt_s (memory.grow $third (i32.const 6)) (i32.const 0)) (then unreachable))
  (i32.const 1024))
