;; A state whose text is said to go on for 4 GiB.
(func $hostile (result i32)
  (i32.store (i32.const 1028) (i32.const 2048))
  (i32.store (i32.const 1032) (i32.const -1))
  (i32.const 1024))
