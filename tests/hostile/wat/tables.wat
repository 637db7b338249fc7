;; Fills several tables, none of which is too large by itself.
(table $one 0 funcref)
(table $two 0 funcref)
(func $hostile (result i32)
  (if (i32.lt_s (table.grow $one (ref.null func) (i32.const 65536)) (i32.const 0)) (then (return (i32.const 1024))))
  (if (i32.lt_s (table.grow $two (ref.null func) (i32.const 65536)) (i32.const 0)) (then unreachable))
  (i32.const 1024))
