;; A patch that is the whole memory.
(func $hostile (result i32)
  (drop (memory.grow (i32.const 10)))
  (i32.store (i32.const 1036) (i32.const 0))
  (i32.store (i32.const 1040) (i32.const 786432))
  (i32.const 1024))
