;; A patch of a hundred thousand arrays in each other.
(data (i32.const 1200) "\00\00\00\00" "\00\08\00\00" "\04\00\00\00" "\00\20\00\00" "\a0\86\01\00" "\00")
(func $hostile (result i32)
  (memory.fill (i32.const 8192) (i32.const 91) (i32.const 100000))
  (i32.const 1200))
