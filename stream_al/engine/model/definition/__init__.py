"""The definition of a model: what a text of the settings may say, and which River model comes of it.

- `expression` reads the text: `auto`, a River expression, or the import path of a factory.
- `counts` bounds the numbers in an expression.
- `factory_path` checks an import path, and imports nothing.
- `validation` says what a River model may not do.
"""
