"""The routes for operators: pause, settings, the model and its rollback (`admin`, `changes`), corrections."""
