"""Mesh files that users bring, read as their formats say; nothing of them is left out without a word.

One reader a format (`obj` with `mtl`, `ply`, `gltf`, `stl`, `off`) turns a file into parts: triangles and what they
wear (`parts`). `read` welds these, bakes what they wear into one texture (`wear`, `cells`, `atlas`) and gives a `Mesh`.
While a file is read, `reading` finds and decodes what lies beside it (`names`) and collects remarks: notes are
harmless, problems tell what was lost.

The readers are our own. trimesh 5.2, which was used before, reads half of some sixty small files after public reports
as they should be, assimp 6 fails with others of them (percent escapes, quantized places, skins, comments, text STL);
neither tells what it leaves out. trimesh still writes .glb.
"""
